/** The places of the pages. A view is loaded when somebody goes there. */
import type { ComponentType } from "preact";

export type Params = Record<string, string | undefined>;
export interface Route {
  /** `/inbox/:id?`: a name takes one segment; with `?` it may be absent. */
  path: string;
  load(): Promise<ComponentType<Params>>;
}

/** Pure: the values of the names, or null where the path is another place. */
export function match(pattern: string, path: string): Params | null {
  const wanted = pattern.split("/"), given = path.split("/");
  const params: Params = {};
  if (given.length > wanted.length) return null;
  for (const [at, part] of wanted.entries()) {
    const value = given[at];
    if (!part.startsWith(":")) {
      if (value !== part) return null;
    } else if (value === undefined || value === "") {
      if (!part.endsWith("?")) return null;
    } else {
      try {
        params[part.replace(/[:?]/g, "")] = decodeURIComponent(value);
      } catch {
        return null;
      }
    }
  }
  return params;
}
