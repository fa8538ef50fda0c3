/** Light, dark, or as the system says. */
import { effect, signal } from "@preact/signals";

export type Theme = "system" | "light" | "dark";
export const THEMES: Theme[] = ["system", "light", "dark"];
const NAME = "drover.theme";

function stored(): Theme {
  try {
    const found = localStorage.getItem(NAME);
    return THEMES.find((theme) => theme === found) ?? "system";
  } catch {
    return "system";
  }
}

export const theme = signal<Theme>(stored());

export function themeSet(value: Theme): void {
  theme.value = value;
  try {
    localStorage.setItem(NAME, value);
  } catch {
    // Storage is switched off: the choice lives as long as the page.
  }
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const systemDark = signal(dark.matches);
dark.addEventListener("change", () => (systemDark.value = dark.matches));

effect(() => {
  const isDark = theme.value === "dark" || (theme.value === "system" && systemDark.value);
  document.documentElement.dataset.theme = isDark ? "dark" : "light";
});
