/** In place of `markdown/`: the text as it is, since a file starts no workers. */
import { Bounded } from "../parts/bounded.tsx";

export const Markdown = ({ text }: { text: string; done?: boolean }) =>
  <pre dir="auto"><Bounded text={text} /></pre>;
