/** Colours of the terminal, from the tokens of the page. */
import type { ITheme } from "@xterm/xterm";

export function themeOf(): ITheme {
  const style = getComputedStyle(document.documentElement);
  const token = (name: string): string => style.getPropertyValue(`--${name}`).trim();
  const text = token("text"), muted = token("muted"), ground = token("sunk");
  const colours = {
    red: token("fail"), green: token("ok"), yellow: token("wait"), blue: token("run"),
    magenta: token("lost"), cyan: token("accent"),
  };
  return {
    background: ground, foreground: text, cursor: text, cursorAccent: ground,
    selectionBackground: `${token("accent")}55`,
    scrollbarSliderBackground: `${token("strong")}66`,
    scrollbarSliderHoverBackground: `${token("strong")}99`,
    scrollbarSliderActiveBackground: token("strong"),
    ...colours,
    black: document.documentElement.dataset.theme === "dark" ? ground : text, white: muted,
    brightBlack: token("strong"), brightRed: colours.red, brightGreen: colours.green,
    brightYellow: token("degraded"), brightBlue: colours.blue, brightMagenta: colours.magenta,
    brightCyan: token("cached"), brightWhite: text,
  };
}

/** Calls with the new colours when the page changes from light to dark, until it is ended. */
export function onTheme(call: (theme: ITheme) => void): () => void {
  const observer = new MutationObserver(() => call(themeOf()));
  observer.observe(document.documentElement, { attributeFilter: ["data-theme"] });
  return () => observer.disconnect();
}
