/** The log that a page shows: followed from its first byte into `Lines`, drawn once a picture. */
import { useEffect, useMemo, useState } from "preact/hooks";

import { getBytes } from "../api/api.ts";
import { saveFile } from "../parts/save.ts";
import { followLog } from "../state/live.ts";
import type { LogState, LogStream } from "../stream/index.ts";
import { fill, linesNew, take, takeDropped, type Block, type Lines } from "./lines.ts";

export interface Place { run: string; attempt: number; stream: LogStream }

export const logPath = ({ run, attempt, stream }: Place, more: Record<string, string>): string =>
  `/jobs/${run}/logs?${new URLSearchParams({ attempt: String(attempt), stream, ...more })}`;

export interface Reading {
  lines: Lines;
  state: LogState | null;
  /** Reads the rows of blocks again. */
  need(blocks: Block[]): void;
}

interface Held extends Reading {
  begin(draw: () => void): () => void;
}

function readingNew(place: Place, width: number): Held {
  const lines = linesNew(width);
  const asked = new Set<Block>();
  let draw = (): void => {};
  let frame = 0;
  const soon = (): void => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
  const read = async (block: Block): Promise<void> => {
    asked.add(block);
    const answer = await getBytes(logPath(place,
      { offset: String(block.offset), limit: String(block.size) }));
    asked.delete(block);
    // The bytes that are gone leave empty rows.
    if (answer.ok || answer.problem.code !== "unreachable") {
      fill(lines, block, answer.ok ? answer.value.bytes : new Uint8Array());
    }
    soon();
  };
  const held: Held = {
    lines,
    state: null,
    need: (blocks) => blocks.filter((one) => !asked.has(one)).forEach((one) => void read(one)),
    begin(call) {
      draw = call;
      const log = followLog(place.run, {
        stream: place.stream, attempt: place.attempt, offset: 0,
        onPiece: ({ bytes }, taken) => {
          take(lines, bytes);
          taken();
        },
        onDropped: (from, to) => takeDropped(lines, from, to),
        onState: (state) => {
          held.state = state;
          soon();
        },
      });
      return () => {
        log.end();
        cancelAnimationFrame(frame);
        draw = () => {};
      };
    },
  };
  return held;
}

export function useReading({ run, attempt, stream }: Place, width: number): Reading {
  const [, drawnSet] = useState(0);
  const held = useMemo(() => readingNew({ run, attempt, stream }, width),
    [run, attempt, stream, width]);
  useEffect(() => held.begin(() => drawnSet((count) => count + 1)), [held]);
  return held;
}

/** The whole log as a file. */
export async function download(place: Place): Promise<boolean> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let offset = 0; ;) {
    const answer = await getBytes(logPath(place, { offset: String(offset), limit: "1000000" }));
    if (!answer.ok) return false;
    parts.push(answer.value.bytes);
    const next = Number(answer.value.headers.get("drover-next"));
    if (!(next > offset)) break;
    offset = next;
    if (offset >= Number(answer.value.headers.get("drover-size"))) break;
  }
  saveFile(`${place.run}.${place.attempt}.${place.stream}.log`,
    new Blob(parts, { type: "text/plain" }));
  return true;
}
