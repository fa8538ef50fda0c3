/** A run as a file: a page that shows it anywhere, or its document. */
import { getBlob, type Problem } from "../api/api.ts";
import { saveFile } from "../parts/save.ts";
import { words } from "./words.ts";

const FORMATS = ["html", "json"] as const;

export function Export({ id, onTrouble }: {
  id: string; onTrouble: (problem: Problem | null) => void;
}) {
  const save = async (format: string): Promise<void> => {
    const answer = await getBlob(`/runs/${id}/export?format=${format}`);
    onTrouble(answer.ok ? null : answer.problem);
    if (answer.ok) saveFile(`${id}.${format}`, answer.value);
  };
  return (
    <>
      {FORMATS.map((format) => (
        <button key={format} class="quiet" onClick={() => void save(format)}>
          {words.exported[format]}</button>
      ))}
    </>
  );
}
