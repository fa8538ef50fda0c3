/** A session by what stands beside it alone. */
import { go, path, query } from "../../router/router.ts";
import type { Params } from "../../router/routes.ts";
import { useKeys } from "../../shell/keys.ts";
import { Panel, panelToggle } from "./panel.tsx";
import { Pins } from "./pins.tsx";

export function SidePlace({ id = "" }: Params) {
  const onGo = (message: string): void =>
    go(`${path.value}${query.value.size > 0 ? `?${query.value}` : ""}#${message}`);
  useKeys([{ key: "t", run: panelToggle }]);
  return (
    <div class="side-place">
      <div>
        <h1 class="hidden">{id}</h1>
        <Pins session={id} onGo={onGo} />
      </div>
      <Panel session={id} onGo={onGo} />
    </div>
  );
}
