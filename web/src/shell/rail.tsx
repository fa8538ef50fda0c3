/** The places, on the left, or at the bottom of a phone. */
import type { ReadonlySignal } from "@preact/signals";
import { Ellipsis, Search } from "lucide-preact";

import { key } from "../api/key.ts";
import { path } from "../router/router.ts";
import { due } from "../state/home.ts";
import { Hint } from "./kbd.tsx";
import { arranged, isLast, PLACES, type Place } from "./places.ts";
import { sheet } from "./sheets.tsx";
import { THEMES, theme, themeSet, type Theme } from "./theme.ts";
import { words } from "./words.ts";

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

const isHere = (to: string, below = `${to}/`): boolean => path.value === to ||
  (to !== "/" && [`${to}/`, below].some((one) => path.value.startsWith(one)));

/** Of places where something may wait. */
const COUNTS: Record<string, ReadonlySignal<number>> = { "/inbox": due };

function Count({ of }: { of: ReadonlySignal<number> }) {
  return of.value > 0 ? <b class="due">{of.value}</b> : null;
}

const { first, rest } = arranged(PLACES);

export function PlaceLink({ place, name }: { place: Place; name?: string }) {
  const { to, icon: Icon, below } = place, waiting = COUNTS[to];
  return (
    <a href={to} class={name} aria-current={isHere(to, below) ? "page" : undefined}>
      <Icon size={16} strokeWidth={1.6} aria-hidden="true" />
      <span>{place.name}</span>
      {waiting === undefined ? null : <Count of={waiting} />}
    </a>
  );
}

export function Rail() {
  const isIn = key.value !== null;
  return (
    <nav class="rail" aria-label={words.places}>
      <div class="name"><Mark />{words.name}</div>
      {isIn ? (
        <button class="quiet find" onClick={() => (sheet.value = "palette")}>
          <Search size={14} strokeWidth={1.6} aria-hidden="true" />
          <span>{words.findShort}</span>
          <Hint of="find" />
        </button>
      ) : null}
      {first.map((place) => <PlaceLink key={place.to} place={place} />)}
      {rest.map((place) => isLast(place) ? null
        : <PlaceLink key={place.to} place={place} name="deep" />)}
      {isIn ? (
        <button class="more" aria-haspopup="dialog" onClick={() => (sheet.value = "more")}>
          <Ellipsis size={16} strokeWidth={1.6} aria-hidden="true" />
          <span>{words.moreName}</span>
        </button>
      ) : null}
      <div class="gap" />
      {rest.map((place) => isLast(place)
        ? <PlaceLink key={place.to} place={place} name="deep" /> : null)}
      <ThemeChoice />
    </nav>
  );
}
