/** In place of `shell/places.ts`: the two views of the file. */
import { Run } from "../run/run.tsx";
import { match, type Route } from "../router/routes.ts";
import { RunTrace } from "../trace/trace.tsx";

export const ROUTES: readonly Route[] = [
  { path: "/r/:id", load: () => Promise.resolve(Run) },
  { path: "/r/:id/trace", load: () => Promise.resolve(RunTrace) },
];

export const isPlace = (path: string): boolean =>
  ROUTES.some((route) => match(route.path, path) !== null);
