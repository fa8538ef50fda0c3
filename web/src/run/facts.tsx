/** What is known of an agent, or of a step, by name; null: nothing. Times in it go on. */
import type { ComponentChildren } from "preact";

export type Fact = [name: string, value: ComponentChildren];

export const Facts = ({ list }: { list: readonly Fact[] }) => (
  <dl class="run-facts" data-clock>
    {list.map(([name, value]) => (value === null ? null : (
      <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
    )))}
  </dl>
);
