/** Markdown from outside. It is plain text at once; the tree of the worker takes its place. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";

import { Bounded, ShowRest, useGrowth } from "../parts/bounded.tsx";
import { Blocks } from "./draw.tsx";
import { queue } from "./page.ts";
import { fits, follow, known, type Follower, type Reading } from "./reading.ts";

interface MarkdownProps {
  text: string;
  /** Nothing more comes. */
  done: boolean;
}

function useReading(text: string, done: boolean, factor: number): Reading | null {
  const [reading, readingSet] = useState<Reading | null>(() => (done ? known(text) : null));
  const follower = useRef<Follower | null>(null);
  useEffect(() => {
    follower.current = follow(queue, reading, readingSet);
    return () => follower.current?.stop();
  }, []);
  useEffect(() => follower.current?.want({ text, done, factor }), [text, done, factor]);
  return reading !== null && fits(reading, text) ? reading : null;
}

export function Markdown({ text, done }: MarkdownProps) {
  // The lexer counts on it.
  const source = useMemo(() => (text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text), [text]);
  const [factor, grow] = useGrowth();
  const reading = useReading(source, done, factor);
  if (reading === null) {
    return <div class="markdown plain" dir="auto"><Bounded text={source} /></div>;
  }
  return (
    <div class="markdown">
      <Blocks blocks={reading.blocks} />
      {reading.cut ? <ShowRest hidden={null} onMore={grow} /> : null}
    </div>
  );
}
