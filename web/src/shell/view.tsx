/** The view of a pane: found in the table of places, loaded once, drawn with its values. */
import { signal, useComputed } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";

import { viewsStyled } from "../look/views.ts";
import { Boundary } from "../parts/boundary.tsx";
import { Loading } from "../parts/loading.tsx";
import { useSeat } from "../router/router.ts";
import { match, type Params, type Route } from "../router/routes.ts";
import { words } from "../words.ts";
import { ROUTES } from "./places.ts";

const loaded = signal<ReadonlyMap<Route, ComponentType<Params> | "failed">>(new Map());

async function load(route: Route): Promise<void> {
  const styled = route.path === "/" ? null : viewsStyled();
  // A newer daemon has no chunk of the page before it.
  const view = await Promise.all([route.load(), styled]).then(([found]) => found)
    .catch(() => "failed" as const);
  if (styled === null) requestIdleCallback(() => void viewsStyled().catch(() => undefined));
  loaded.value = new Map(loaded.value).set(route, view);
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
  const route = found.value?.route;
  useEffect(() => {
    if (route !== undefined && !loaded.value.has(route)) void load(route);
  }, [route]);
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
  if (View === "failed") {
    return (
      <div class="page prose" role="alert">
        <h1>{words.otherBuild}</h1>
        <p><button onClick={() => location.reload()}>{words.reload}</button></p>
      </div>
    );
  }
  return <Boundary of={path.value}><View {...found.value.params} /></Boundary>;
}
