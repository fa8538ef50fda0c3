/** A run as one file: the pages of a run and of its trace, over the document that the file carries
 *  (`GET /runs/{id}/export?format=html`). It asks nobody anything: what the pages know of the
 *  daemon and of the browser's address is replaced by the modules of this folder (`build.mjs`). */
import { render } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

import { Boundary } from "../parts/boundary.tsx";
import { focused, placesAre } from "../router/router.ts";
import { match, type Route } from "../router/routes.ts";
import { SeatContext } from "../router/seat.ts";
import { headingWatch } from "../shell/heading.ts";
import { isPlace, ROUTES } from "../shell/places.ts";
import "../shell/theme.ts";
import { file } from "./file.ts";
import { words } from "./words.ts";

function View() {
  const path = focused.value.path.value;
  const [shown, shownSet] = useState<Awaited<ReturnType<Route["load"]>> | null>(null);
  const route = ROUTES.find((one) => match(one.path, path) !== null) ?? ROUTES[0];
  useEffect(() => void route?.load().then((view) => shownSet(() => view)), [route]);
  const params = match(route?.path ?? "", path) ?? { id: file.run.id };
  return shown === null ? null : <Boundary of={path} key={path}>{[shown].map((One) => (
    <One key={path} {...params} />))}</Boundary>;
}

function Viewer() {
  const box = useRef<HTMLDivElement>(null), seat = focused.value;
  useLayoutEffect(() => {
    const measure = (): void => void (seat.width.value = innerWidth);
    seat.box = box.current;
    measure();
    addEventListener("resize", measure);
    return () => removeEventListener("resize", measure);
  }, [seat]);
  useEffect(() => (box.current === null ? undefined : headingWatch(seat, box.current)), [seat]);
  const name = seat.heading.value;
  useEffect(() => void (document.title = name === "" ? words.drover : name), [name]);
  return (
    <SeatContext.Provider value={seat}>
      <div class="app viewer">
        <main><div class="pane here" data-pane={seat.id}>
          <div class="view" ref={box}><View /></div>
        </div></main>
        <footer class="status">{words.about(file.drover, file.run.ended_ms ?? null)}</footer>
      </div>
    </SeatContext.Provider>
  );
}

placesAre(isPlace);
const app = document.getElementById("app");
if (app !== null) render(<Viewer />, app);
