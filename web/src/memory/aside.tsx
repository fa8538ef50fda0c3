/** Beside the list: its topics, and how much was stored on which day. */
import type { Day } from "../api/types.ts";
import { useSeat } from "../router/router.ts";
import { visible } from "../parts/visible.ts";
import type { Sums } from "./reading.ts";
import { TOPICS } from "./rules.ts";
import { words } from "./words.ts";

function Topics({ sums, topic }: { sums: Sums; topic: string }) {
  const { setQuery } = useSeat();
  const known = sums.topics.some((one) => one.topic === topic);
  const choice = (name: string, count: number | null) => (
    <li key={name}>
      <button class="quiet" aria-pressed={topic === name}
        onClick={() => setQuery("topic", name === topic ? null : name || null)}>
        <span class="clip" dir="auto">{name === "" ? words.everyTopic : visible(name)}</span>
        {count === null ? null : <span class="muted">{count}</span>}
      </button>
    </li>
  );
  return (
    <>
      <h2>{words.topics}</h2>
      <ul class="topics">
        {choice("", null)}
        {topic === "" || known ? null : choice(topic, 0)}
        {sums.topics.map((one) => choice(one.topic, one.count))}
      </ul>
      {sums.more ? <p class="muted small">{words.topicsMore(TOPICS)}</p> : null}
    </>
  );
}

function Days({ days }: { days: readonly Day[] }) {
  const most = Math.max(1, ...days.map(({ count }) => count));
  return (
    <table class="days">
      <caption><h2 title={words.daysAbout}>{words.days}</h2></caption>
      <thead class="hidden">
        <tr><th scope="col">{words.day}</th><th scope="col">{words.number}</th></tr>
      </thead>
      <tbody>
        {days.map(({ day, count }) => (
          <tr key={day}>
            <th scope="row">{day}</th>
            <td>
              <span class="bar" style={{ width: `${(100 * count) / most}%` }} />
              <span class="count">{count}</span>
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

export function Aside({ sums, topic }: { sums: Sums; topic: string }) {
  return (
    <aside aria-label={words.topics}>
      <Topics sums={sums} topic={topic} />
      {sums.days.length === 0 ? null : <Days days={sums.days} />}
    </aside>
  );
}
