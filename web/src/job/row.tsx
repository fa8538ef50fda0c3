/** One row of a log. */
import { visible } from "../parts/visible.ts";
import type { Colour, Style } from "./ansi.ts";
import type { Seen, Span } from "./lines.ts";
import { words } from "./words.ts";

const shade = (kind: string, colour: Colour): string =>
  (typeof colour === "number" ? ` ${kind}-${colour}` : "");
const exact = (colour: Colour): string | undefined =>
  (typeof colour === "string" ? colour : undefined);

export function classOf({ fg, bg, ...style }: Style): string {
  const [front, back] = style.inverse ? [bg ?? "ground", fg ?? "text"] : [fg, bg];
  const names = ["bold", "dim", "italic", "underline", "struck"] as const;
  return names.filter((name) => style[name]).join(" ") +
    (front === "ground" || back === "text" ? " inverse" : "") +
    shade("fg", front) + shade("bg", back);
}

function Piece({ span: { text, style } }: { span: Span }) {
  const [fg, bg] = style.inverse ? [style.bg, style.fg] : [style.fg, style.bg];
  const [color, background] = [exact(fg), exact(bg)];
  return (
    <span class={classOf(style).trim() || undefined}
      // Set by script, property by property: the policy allows no attribute.
      style={color === undefined && background === undefined ? undefined : { color, background }}>
      {visible(text)}
    </span>
  );
}

interface RowProps {
  seen: Seen;
  /** The line that the address names, or the match that is shown. */
  marked: boolean;
  choose: (line: number) => void;
}

export function LogRow({ seen: { row }, marked, choose }: RowProps) {
  const line = row?.line ?? null;
  return (
    <div class={marked ? "line marked" : "line"}>
      {line === null ? <span class="number" /> : (
        <button class="number" tabIndex={-1} aria-label={words.lineLink(line)}
          onClick={() => choose(line)}>{line}</button>
      )}
      {row?.dropped !== undefined ? (
        <span class="muted">{words.gone(row.dropped)}</span>
      ) : (
        <bdi dir="auto">
          {row === null ? words.reading
            : row.spans.map((span, at) => <Piece key={at} span={span} />)}
        </bdi>
      )}
    </div>
  );
}
