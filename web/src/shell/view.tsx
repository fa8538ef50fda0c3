/** The view of a pane: found in the table of places, loaded once, drawn with its values. */
import { effect, signal, useComputed } from "@preact/signals";
import type { ComponentType } from "preact";

import { viewsStyled } from "../look/views.ts";
import { Boundary } from "../parts/boundary.tsx";
import { Loading } from "../parts/loading.tsx";
import { useSeat } from "../router/router.ts";
import { match, type Params, type Route } from "../router/routes.ts";
import { firstShown, whenIdle } from "../state/first.ts";
import { link } from "../state/live.ts";
import { words } from "../words.ts";
import { compare, loadAgain, otherBuild } from "./build.ts";
import { ROUTES } from "./places.ts";

const loaded = signal<ReadonlyMap<Route, ComponentType<Params> | "failed">>(new Map());
const asked = new Set<Route>();
const STYLE_MS = 5_000, FRAME_MS = 300;

/** Chunks of a view would be found only after it was read; `build.mjs` says which there are. */
function chunksLoad(place: string): void {
  const meta = document.querySelector('meta[name="chunks"]');
  const [names = [], ...rows] = (meta?.getAttribute("content") ?? "").split(";")
    .map((row) => row.split(" "));
  const [, ...needed] = rows.find(([first]) => first === place) ?? [];
  for (const at of needed) {
    const link = document.createElement("link");
    link.rel = "modulepreload";
    link.href = `/assets/${names[Number(at)]}`;
    document.head.append(link);
  }
}

/** Begins while the frame is drawn: an effect would wait for the picture of it. */
async function load(route: Route): Promise<void> {
  if (asked.has(route)) return;
  asked.add(route);
  const styled = route.path === "/" ? null : viewsStyled();
  chunksLoad(route.path);
  // The daemon is away, or a newer one has no chunk of the page before it.
  const view = await Promise.all([route.load(), styled]).then(([found]) => found)
    .catch(() => "failed" as const);
  if (styled === null) whenIdle(() => void viewsStyled().catch(() => undefined), STYLE_MS);
  loaded.value = new Map(loaded.value).set(route, view);
  if (view === "failed") void compare();
  if (styled === null) firstShown(); // Home shows what the frame reads.
  else whenIdle(firstShown, FRAME_MS);
}

/** What could not be loaded is asked for again. */
function failedForget(): void {
  const kept = [...loaded.peek()].filter(([, view]) => view !== "failed");
  if (kept.length === loaded.peek().size) return;
  for (const [route, view] of loaded.peek()) if (view === "failed") asked.delete(route);
  loaded.value = new Map(kept);
}
effect(() => {
  if (link.value?.phase === "open") failedForget();
});

/** A view that could not be loaded: in another version it never will be. */
function Failed() {
  const other = otherBuild.value;
  return (
    <div class="page prose" role="alert">
      <h1>{other ? words.otherBuild : words.viewAway}</h1>
      <p>
        {other ? <button onClick={() => void loadAgain()}>{words.reload}</button>
          : <button onClick={failedForget}>{words.retry}</button>}
      </p>
    </div>
  );
}

export function View() {
  const { path } = useSeat();
  const found = useComputed(() => {
    for (const route of ROUTES) {
      const params = match(route.path, path.value);
      if (params !== null) return { route, params };
    }
    return null;
  });
  if (found.value !== null) void load(found.value.route);
  else whenIdle(firstShown, FRAME_MS);
  if (found.value === null) {
    return (
      <div class="page prose">
        <h1>{words.notFound}</h1>
        <p><a href="/">{words.toHome}</a></p>
      </div>
    );
  }
  const View = loaded.value.get(found.value.route);
  if (View === undefined) return <Loading />;
  if (View === "failed") return <Failed />;
  return <Boundary of={path.value}><View {...found.value.params} /></Boundary>;
}
