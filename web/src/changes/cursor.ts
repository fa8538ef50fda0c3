/** Where somebody reads: the file at the top of the view, and the change in it that keys lead to.
 *
 *  Whoever goes to a place is kept there while what stands above it is read and grows; the first
 *  scroll of their own ends that, and the place is what is at the top. */
import { signal, type ReadonlySignal, type Signal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";

import type { ChangedFile } from "../api/types.ts";
import { hasLines, stepped } from "./rules.ts";

/** `hunk`: -1: the head of the file; LAST: its last change, whatever its number is. */
export interface Place { path: string; hunk: number }
export const LAST = Number.MAX_SAFE_INTEGER;

export interface Cursor {
  at: ReadonlySignal<Place | null>;
  /** Where to go as soon as it is drawn; null: nowhere. */
  due: Signal<Place | null>;
  to(path: string, hunk?: number): void;
  file(by: 1 | -1): void;
  hunk(by: 1 | -1): void;
  /** A change that was due is drawn. */
  reached(): void;
  /** For the box that scrolls: it has scrolled; the user scrolls it; what is in it has grown. */
  scrolled(): void;
  taken(): void;
  grown(): void;
}

interface Wish {
  box: RefObject<HTMLElement>;
  files: readonly ChangedFile[];
  isFolded(file: ChangedFile): boolean;
  /** How many changes of a file are known. */
  hunksOf(path: string): number;
}

const SLACK_PX = 4;

const topOf = (element: Element | undefined): number =>
  (element instanceof HTMLElement ? element.offsetTop : 0);

/** The one at the top of the view: the last that begins at or above it. */
function topmost(box: HTMLElement): string | undefined {
  const all = box.querySelector("[data-changes]")?.children ?? [], limit = box.scrollTop + SLACK_PX;
  let from = 0, to = all.length;
  while (from < to) {
    const middle = (from + to) >> 1;
    if (topOf(all[middle]) <= limit) from = middle + 1;
    else to = middle;
  }
  const found = all[Math.max(0, from - 1)];
  return found instanceof HTMLElement ? found.dataset.change : undefined;
}

const sectionOf = (box: HTMLElement, path: string): HTMLElement | null =>
  box.querySelector<HTMLElement>(`[data-change="${CSS.escape(path)}"]`);

/** Where a change stands when it is read: below the head of its file, which stays in view. */
const lineOf = (box: HTMLElement, section: HTMLElement): number =>
  box.getBoundingClientRect().top +
  (section.querySelector("header")?.getBoundingClientRect().height ?? 0);

/** The change that is at the top, and whether its own head is above the view. */
function reading(box: HTMLElement, section: HTMLElement): { hunk: number; inside: boolean } {
  const line = lineOf(box, section) + SLACK_PX;
  const above = [...section.querySelectorAll<HTMLElement>("[data-hunk], [data-within]")]
    .filter((row) => row.getBoundingClientRect().top <= line).at(-1);
  const { hunk, within } = above?.dataset ?? {};
  const isHead = hunk !== undefined && (above?.getBoundingClientRect().bottom ?? 0) >= line;
  return { hunk: Number(hunk ?? within ?? -1), inside: !isHead };
}

export function useCursor(wish: Wish): Cursor {
  const current = useRef(wish), frame = useRef(0);
  current.current = wish;
  useEffect(() => () => cancelAnimationFrame(frame.current), []);
  return useMemo(() => {
    const [first] = current.current.files;
    const at = signal<Place | null>(first === undefined ? null : { path: first.path, hunk: -1 });
    const due = signal<Place | null>(null);
    let kept: { place: Place; top: number; height: number } | null = null;

    /** The view goes to the place, as far as that is drawn. */
    function show(place: Place): void {
      const { box: { current: box } } = current.current;
      const section = box === null ? null : sectionOf(box, place.path);
      if (box === null || section === null) return;
      const row = section.querySelector(`[data-hunk="${place.hunk}"]`);
      if (row !== null) {
        box.scrollTop += row.getBoundingClientRect().top - lineOf(box, section);
      } else {
        const { offsetTop: top, offsetHeight: height } = section;
        const isHere = top <= box.scrollTop && top + height > box.scrollTop;
        if (place.hunk < 0 || !isHere) box.scrollTop = top;
      }
      kept = { place, top: box.scrollTop, height: box.scrollHeight };
      box.style.setProperty("overflow-anchor", "none"); // Two that keep a line would move it.
    }

    function free(): void {
      kept = null;
      current.current.box.current?.style.removeProperty("overflow-anchor");
    }

    function to(path: string, hunk = -1): void {
      const place = { path, hunk };
      at.value = place;
      due.value = hunk < 0 ? null : place;
      show(place);
    }

    function other(path: string, by: 1 | -1): ChangedFile | undefined {
      const { files, isFolded } = current.current;
      const from = files.findIndex((file) => file.path === path);
      for (let next = from + by; next >= 0 && next < files.length; next += by) {
        const file = files[next];
        if (file !== undefined && hasLines(file) && !isFolded(file)) return file;
      }
      return undefined;
    }

    function hunk(by: 1 | -1): void {
      const { files, hunksOf, box: { current: box } } = current.current;
      const path = at.peek()?.path ?? files[0]?.path;
      if (path === undefined || box === null) return;
      const section = sectionOf(box, path);
      const { hunk: now, inside } = kept !== null || section === null
        ? { hunk: at.peek()?.hunk ?? -1, inside: false } : reading(box, section);
      const next = inside && by < 0 ? now : now + by;
      if (next >= 0 && next < hunksOf(path)) return to(path, next);
      const file = other(path, by);
      if (file !== undefined) to(file.path, by > 0 ? 0 : LAST);
    }

    function look(): void {
      frame.current = 0;
      const { box: { current: box } } = current.current;
      if (box === null) return;
      if (kept !== null && Math.abs(box.scrollTop - kept.top) <= SLACK_PX) return;
      if (kept !== null && box.scrollHeight !== kept.height) return show(kept.place);
      free(); // The search of a browser scrolls without any other event.
      const path = topmost(box);
      if (path !== undefined && path !== at.peek()?.path) at.value = { path, hunk: -1 };
    }
    return {
      at, due, to, hunk,
      file: (by) => {
        const path = stepped(current.current.files, at.peek()?.path ?? null, by);
        if (path !== null) to(path);
      },
      reached: () => {
        const place = due.peek();
        due.value = null;
        if (place !== null) show(place);
      },
      scrolled: () => void (frame.current ||= requestAnimationFrame(look)),
      taken: () => {
        free();
        due.value = null;
      },
      grown: () => {
        if (kept !== null) show(kept.place);
      },
    };
  }, []);
}
