/** What becomes of files, before it does: of a rewind, and where a working tree is applied. What
 *  others have changed is taken only where somebody says so. */
import type { Rewound } from "../../api/types.ts";
import { count } from "../../parts/text.ts";
import { visible } from "../../parts/visible.ts";
import { words as shared } from "./words.ts";

type File = Rewound["files"][number];
type Refused = Rewound["refused"][number];

export interface PlanWords {
  fates: { restored: string; removed: string; changed: string; mode: string };
  files: string; noFiles: string; refused: string; refusedAbout: string;
}

function fateOf({ before, after }: File): keyof PlanWords["fates"] {
  if (before == null) return "restored";
  if (after == null) return "removed";
  return before === after ? "mode" : "changed";
}

function FileRow({ file, words }: { file: File; words: PlanWords }) {
  const { path, mode_before: before, mode_after: after, added = 0, removed = 0, binary } = file;
  const isModeOther = before != null && after != null && before !== after;
  return (
    <li>
      <span class="muted small">{words.fates[fateOf(file)]}</span>{" "}
      <bdi class="mono">{visible(path)}</bdi>{" "}
      <span class="num small">
        {binary ? shared.binary : added + removed === 0 ? null : (
          <>
            <span class="tone-ok">+{count(added)}</span>{" "}
            <span class="tone-fail">−{count(removed)}</span>
          </>
        )}
        {isModeOther ? ` ${shared.mode(before, after)}` : null}
      </span>
    </li>
  );
}

const sayOf = ({ why, by }: Refused): string => {
  const names = by.map(({ name, run }) => visible(name || (run ?? ""))).join(", ");
  return why === "shared" ? shared.maybeBy(names) : shared.changedBy(names);
};

interface PlanProps {
  plan: Pick<Rewound, "files" | "refused">; words: PlanWords;
  forced: string[]; force(path: string, on: boolean): void;
}

export function Plan({ plan: { files, refused }, words, forced, force }: PlanProps) {
  if (files.length + refused.length === 0) return <p class="muted">{words.noFiles}</p>;
  return (
    <div class="plan-files" tabIndex={0} role="group" aria-label={words.files}>
      {refused.length === 0 ? null : (
        <fieldset>
          <legend>{words.refused}</legend>
          <p class="muted small">{words.refusedAbout}</p>
          {refused.map((one) => (
            <label key={one.path} class="check">
              <input type="checkbox" checked={forced.includes(one.path)}
                onChange={(event) => force(one.path, event.currentTarget.checked)} />
              <span>
                <bdi class="mono">{visible(one.path)}</bdi>{" "}
                <span class="muted small" dir="auto">{sayOf(one)}</span>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <ul>{files.map((file) => <FileRow key={file.path} file={file} words={words} />)}</ul>
    </div>
  );
}
