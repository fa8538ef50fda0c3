/** A text that a yes is for: it reports when all of it was in view, and unfolds at a press. */
import { createContext, type ComponentChildren } from "preact";
import { useContext, useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";

import { words } from "../words.ts";
import { GRACE_MS } from "./grace.ts";
import { isWhole, texts, textSeen } from "./reading.ts";

interface Inside { unfolded: boolean; hide(): () => void }
const InsideContext = createContext<Inside | null>(null);

/** Whether everything is to be drawn, since a press asked for it. */
export const useUnfolded = (): boolean => useContext(InsideContext)?.unfolded ?? false;

/** Stands where something of the text is not drawn. */
export function Unread() {
  const hide = useContext(InsideContext)?.hide;
  useLayoutEffect(() => hide?.(), [hide]);
  return null;
}

/** How many places show a text: a press elsewhere leads to where it is shown. */
const places = new Map<string, number>();
export const isShown = (text: string): boolean => places.has(text);

function usePlace(text: string): void {
  useEffect(() => {
    places.set(text, (places.get(text) ?? 0) + 1);
    return () => {
      const left = (places.get(text) ?? 1) - 1;
      if (left === 0) places.delete(text);
      else places.set(text, left);
    };
  }, [text]);
}

/** What does not fit the screen begins at its top. */
function intoView(box: HTMLElement): void {
  const isLong = box.getBoundingClientRect().height > innerHeight / 2;
  box.scrollIntoView({ block: isLong ? "start" : "nearest" });
}

interface ReadingProps {
  /** The name of the text. */
  of: string;
  /** A long text scrolls in a box of its own until it is unfolded. */
  scrolls?: boolean;
  children: ComponentChildren;
}

export function Reading({ of, scrolls = false, children }: ReadingProps) {
  const box = useRef<HTMLDivElement>(null), end = useRef<HTMLSpanElement>(null);
  const unfolded = texts.value.unfolded.has(of);
  const [hidden, hiddenSet] = useState(0);
  const inside = useMemo<Inside>(() => ({
    unfolded,
    hide: () => {
      hiddenSet((count) => count + 1);
      return () => hiddenSet((count) => count - 1);
    },
  }), [unfolded]);
  usePlace(of);
  // Observed anew whenever more is drawn, since the end has another place then.
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => {
      const isEnd = entries.some(({ isIntersecting }) => isIntersecting);
      if (isWhole({ hidden: hidden > 0, end: isEnd, unfolded: false })) textSeen(of);
    });
    if (end.current !== null) observer.observe(end.current);
    return () => observer.disconnect();
  }, [of, hidden]);
  useEffect(() => {
    if (unfolded && box.current !== null) intoView(box.current);
  }, [of, unfolded]);
  useEffect(() => {
    if (!unfolded) return undefined;
    const timer = setTimeout(() => {
      const isDrawn = (box.current?.getClientRects().length ?? 0) > 0;
      if (isDrawn && isWhole({ hidden: hidden > 0, end: false, unfolded })) textSeen(of);
    }, GRACE_MS);
    return () => clearTimeout(timer);
  }, [of, unfolded, hidden]);
  return (
    <InsideContext.Provider value={inside}>
      <div ref={box} class={`reading${unfolded ? " unfolded" : scrolls ? " scrolls" : ""}`}
        {...(scrolls && { tabIndex: 0 })}>
        {unfolded ? <p class="unread tone-wait" role="status">{words.unread}</p> : null}
        {children}
        <span ref={end} class="reading-end" />
      </div>
    </InsideContext.Provider>
  );
}
