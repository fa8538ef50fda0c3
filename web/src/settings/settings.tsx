/** Settings: what is in force, and from where; then what may be changed. */
import { Loading } from "../parts/loading.tsx";
import { useNamed } from "../router/router.ts";
import type { Params } from "../router/routes.ts";
import { may, me } from "../state/me.ts";
import { Defaults, Notices } from "./defaults.tsx";
import { Keys } from "./keys.tsx";
import { Models } from "./models.tsx";
import { ThisPage } from "./page.tsx";
import { Permissions } from "./permissions.tsx";
import { words } from "./words.ts";

const VIEWS = {
  models: Models, defaults: Defaults, permissions: Permissions, notices: Notices, keys: Keys,
  page: ThisPage,
};
type Page = keyof typeof VIEWS;

export function SettingsView({ page }: Params) {
  const named = useNamed();
  if (me.value === null) return <Loading />;
  const names = (Object.keys(VIEWS) as Page[]).filter((one) => one !== "keys" || may("admin"));
  const at = names.find((one) => one === page) ?? "models";
  const Shown = VIEWS[at];
  return (
    <div class="page settings">
      <h1>{words.settings}</h1>
      <nav class="tabs" aria-label={named(words.settings)}>
        {names.map((one) => (
          <a key={one} href={`/settings/${one}`} aria-current={one === at ? "page" : undefined}>
            {words.pages[one]}
          </a>
        ))}
      </nav>
      {at === "page" || may(at === "permissions" ? "run" : "admin") ? null
        : <p class="muted">{at === "permissions" ? words.readOnlyRules : words.readOnly}</p>}
      <Shown />
    </div>
  );
}
