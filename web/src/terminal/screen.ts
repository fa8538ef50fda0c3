/** The screen of a terminal: xterm, as far as this page lets it. This file is the lazy chunk.
 *
 *  Output is hostile: it may set no title and no clipboard, a link is opened only where it is http
 *  or https, and questions of a program (where is the cursor, which terminal is it) are answered
 *  only to new output, and only by the page that has the focus: else each page that looks on, and
 *  each that draws an old screen again, would type the answers. */
import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";

import { withSheets } from "./policy.ts";
import { onTheme, themeOf } from "./theme.ts";

const SCROLLBACK = 5_000; // Lines.
const RESIZE_MS = 100;

export interface ScreenWish {
  box: HTMLElement;
  label: string;
  /** Keys, pasted text, and answers to the program. */
  onInput(text: string): void;
  /** The size that fits; again after each change. */
  onSize(columns: number, rows: number): void;
  /** Ctrl+Shift+Esc. */
  onLeave(): void;
  onHits(at: number, total: number): void;
}

export interface Screen {
  write(bytes: Uint8Array, isNew: boolean, taken: () => void): void;
  /** Whether it takes keys. */
  typing(on: boolean): void;
  press(text: string): void;
  /** Takes the size that fits, and says it. */
  resize(): void;
  find(text: string, by: 1 | -1): void;
  focus(): void;
  /** The application wants arrows as SS3. */
  appCursor(): boolean;
  end(): void;
}

export function linkOf(text: string): string | null {
  try {
    const { protocol, href } = new URL(text);
    return protocol === "http:" || protocol === "https:" ? href : null;
  } catch {
    return null;
  }
}

function follow(_event: MouseEvent, text: string): void {
  const link = linkOf(text);
  if (link !== null) window.open(link, "_blank", "noopener,noreferrer");
}

/** The questions of programs. `answered` says of each whether xterm may answer it. */
function guard({ parser }: Terminal, answered: () => boolean): void {
  const swallow = (): boolean => !answered();
  for (const id of [
    { final: "c" }, { prefix: ">", final: "c" }, { prefix: "=", final: "c" }, { final: "n" },
    { prefix: "?", final: "n" }, { intermediates: "$", final: "p" },
    { prefix: "?", intermediates: "$", final: "p" }, { final: "t" }, { prefix: ">", final: "q" },
  ]) parser.registerCsiHandler(id, swallow);
  parser.registerDcsHandler({ intermediates: "$", final: "q" }, swallow);
  for (const id of [4, 10, 11, 12]) {
    parser.registerOscHandler(id, (data) => data.includes("?") && swallow());
  }
  for (const id of [0, 1, 2, 52]) parser.registerOscHandler(id, () => true);
}

export function screenOpen(wish: ScreenWish): Screen {
  const terminal = new Terminal({
    allowProposedApi: true, // The search marks what it finds.
    cursorBlink: false, disableStdin: true, fontSize: 12.5, lineHeight: 1.2,
    fontFamily: getComputedStyle(document.documentElement).getPropertyValue("--mono"),
    linkHandler: { activate: follow, allowNonHttpProtocols: false },
    minimumContrastRatio: 4.5, scrollback: SCROLLBACK, theme: themeOf(),
  });
  const fit = new FitAddon(), search = new SearchAddon();
  let isNew = false; // Of the piece that is drawn.
  let wasNew = false; // Of the last one that was written.
  guard(terminal, () => isNew && document.hasFocus() && wish.box.contains(document.activeElement));
  for (const addon of [fit, search, new WebLinksAddon(follow)]) terminal.loadAddon(addon);
  withSheets(() => terminal.open(wish.box));
  terminal.textarea?.setAttribute("aria-label", wish.label);
  terminal.attachCustomKeyEventHandler((event) => {
    if (event.key !== "Escape" || !event.ctrlKey || !event.shiftKey) return true;
    if (event.type === "keydown") wish.onLeave();
    event.preventDefault();
    return false;
  });
  terminal.onData(wish.onInput);
  search.onDidChangeResults(({ resultIndex, resultCount }) =>
    wish.onHits(resultIndex + 1, resultCount));

  let timer: ReturnType<typeof setTimeout> | undefined;
  const resize = (): void => {
    fit.fit();
    wish.onSize(terminal.cols, terminal.rows);
  };
  const observer = new ResizeObserver(() => {
    clearTimeout(timer);
    timer = setTimeout(resize, RESIZE_MS);
  });
  resize();
  observer.observe(wish.box);
  const themeEnd = onTheme((theme) => (terminal.options.theme = theme));
  return {
    write(bytes, fresh, taken) {
      // Pieces are drawn in order, and later than they are written.
      if (fresh !== wasNew) terminal.write("", () => (isNew = fresh));
      wasNew = fresh;
      terminal.write(bytes, taken);
    },
    typing: (on) => void (terminal.options.disableStdin = !on),
    press(text) {
      terminal.input(text, true);
      terminal.focus();
    },
    resize,
    find(text, by) {
      const options = {
        decorations: {
          matchBackground: "#7D6000", activeMatchBackground: "#9A5B00",
          matchOverviewRuler: "#7D6000", activeMatchColorOverviewRuler: "#9A5B00",
        },
      };
      if (text === "") search.clearDecorations();
      else if (by > 0) search.findNext(text, options);
      else search.findPrevious(text, options);
    },
    focus: () => terminal.focus(),
    appCursor: () => terminal.modes.applicationCursorKeysMode,
    end() {
      clearTimeout(timer);
      observer.disconnect();
      themeEnd();
      terminal.dispose();
    },
  };
}
