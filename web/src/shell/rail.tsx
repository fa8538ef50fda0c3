/** The places, on the left, or at the bottom of a phone. */
import type { ReadonlySignal } from "@preact/signals";

import { path } from "../router/router.ts";
import { due, inboxDue } from "../state/home.ts";
import { words } from "../words.ts";
import { PLACES } from "./places.ts";
import { THEMES, theme, themeSet, type Theme } from "./theme.ts";

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
      <path d="M2 12.5c3-7 9-7 12 0M5 12.5c1.6-3.6 4.4-3.6 6 0M8 12.4v.1" />
    </svg>
  );
}

export function ThemeChoice() {
  return (
    <label class="theme">
      <span>{words.theme}</span>
      <select value={theme} onChange={(event) => themeSet(event.currentTarget.value as Theme)}>
        {THEMES.map((one) => <option key={one} value={one}>{words.themes[one]}</option>)}
      </select>
    </label>
  );
}

const isHere = (to: string, below = `${to}/`): boolean =>
  path.value === to || (to !== "/" && path.value.startsWith(below));

function Count({ of }: { of: ReadonlySignal<number> }) {
  return of.value > 0 ? <b class="due">{of.value}</b> : null;
}

export function Rail() {
  return (
    <nav class="rail" aria-label={words.places}>
      <div class="name"><Mark />{words.name}</div>
      {PLACES.map(({ to, name, icon: Icon, below }) => (
        <a key={to} href={to} aria-current={isHere(to, below) ? "page" : undefined}>
          <Icon size={16} strokeWidth={1.6} aria-hidden="true" />
          <span>{name}</span>
          {to === "/" ? <Count of={due} /> : null}
          {to === "/inbox" ? <Count of={inboxDue} /> : null}
        </a>
      ))}
      <div class="gap" />
      <ThemeChoice />
    </nav>
  );
}
