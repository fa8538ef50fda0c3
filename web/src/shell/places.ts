/** The table of places: what the address means, and which of them the rail shows. A view adds its
 *  rows here. */
import {
  Bot, Brain, ChartColumn, FolderTree, House, Inbox, Layers, MessageSquare, Play, Settings2,
  SquareKanban, SquareTerminal, Stethoscope, Workflow,
} from "lucide-preact";

import { Home } from "../home/home.tsx";
import { match, type Route } from "../router/routes.ts";
import { words } from "../words.ts";
import type { Name } from "./shortcuts.ts";

export const ROUTES: readonly Route[] = [
  { path: "/", load: () => Promise.resolve(Home) },
  { path: "/sessions", load: () => import("../sessions/sessions.tsx").then((m) => m.Sessions) },
  { path: "/s/:id", load: () => import("../session/session.tsx").then((m) => m.Session) },
  { path: "/s/:id/trace", load: () => import("../trace/trace.tsx").then((m) => m.SessionTrace) },
  { path: "/r/:id/trace", load: () => import("../trace/trace.tsx").then((m) => m.RunTrace) },
  { path: "/s/:id/changes",
    load: () => import("../changes/changes.tsx").then((m) => m.SessionChanges) },
  { path: "/r/:id/changes",
    load: () => import("../changes/changes.tsx").then((m) => m.RunChanges) },
  { path: "/welcome", load: () => import("../welcome/welcome.tsx").then((m) => m.Welcome) },
  { path: "/settings/:page?",
    load: () => import("../settings/settings.tsx").then((m) => m.SettingsView) },
  { path: "/inbox/mail/:id?", load: () => import("../mail/mail.tsx").then((m) => m.MailView) },
  { path: "/inbox/:id?", load: () => import("../inbox/inbox.tsx").then((m) => m.Inbox) },
  { path: "/runs", load: () => import("../runs/runs.tsx").then((m) => m.Runs) },
  { path: "/workflows",
    load: () => import("../workflows/workflows.tsx").then((m) => m.Workflows) },
  { path: "/workflows/:name",
    load: () => import("../workflows/workflow.tsx").then((m) => m.Workflow) },
  { path: "/flows/:name", load: () => import("../flow/flow.tsx").then((m) => m.Flow) },
  { path: "/agents", load: () => import("../agents/agents.tsx").then((m) => m.Agents) },
  { path: "/usage", load: () => import("../usage/usage.tsx").then((m) => m.Usage) },
  { path: "/memory/:id?", load: () => import("../memory/memory.tsx").then((m) => m.MemoryView) },
  { path: "/trees", load: () => import("../trees/trees.tsx").then((m) => m.Trees) },
  { path: "/system", load: () => import("../system/system.tsx").then((m) => m.System) },
  { path: "/board", load: () => import("../board/boards.tsx").then((m) => m.Boards) },
  { path: "/board/:project/:task?",
    load: () => import("../board/board.tsx").then((m) => m.BoardView) },
  { path: "/t/:id", load: () => import("../board/task.tsx").then((m) => m.TaskView) },
  { path: "/jobs", load: () => import("../jobs/jobs.tsx").then((m) => m.Jobs) },
  { path: "/terminals/:id?",
    load: () => import("../terminals/terminals.tsx").then((m) => m.Terminals) },
  { path: "/j/:id", load: () => import("../job/job.tsx").then((m) => m.Job) },
  { path: "/r/:id", load: () => import("../run/run.tsx").then((m) => m.Run) },
  { path: "/compare", load: () => import("../compare/compare.tsx").then((m) => m.Compare) },
];

export const isPlace = (path: string): boolean =>
  ROUTES.some((route) => match(route.path, path) !== null);

export interface Place {
  to: string; name: string; icon: typeof House; keys: Name;
  /** Addresses below this one are of the place, too: `/s/`. */
  below?: string;
}

/** The rail shows them in the order of ORDER, others after them, and those of LAST at its end. */
export const PLACES: readonly Place[] = [
  { to: "/", name: words.home, icon: House, keys: "go /" },
  { to: "/sessions", name: words.sessions, icon: MessageSquare, keys: "go /sessions",
    below: "/s/" },
  { to: "/settings", name: words.settings, icon: Settings2, keys: "go /settings" },
  { to: "/inbox", name: words.inbox, icon: Inbox, keys: "go /inbox" },
  { to: "/runs", name: words.runs, icon: Layers, keys: "go /runs", below: "/r/" },
  { to: "/board", name: words.board, icon: SquareKanban, keys: "go /board", below: "/t/" },
  { to: "/workflows", name: words.workflows, icon: Workflow, keys: "go /workflows",
    below: "/flows/" },
  { to: "/jobs", name: words.jobs, icon: Play, keys: "go /jobs", below: "/j/" },
  { to: "/terminals", name: words.terminals, icon: SquareTerminal, keys: "go /terminals" },
  { to: "/trees", name: words.trees, icon: FolderTree, keys: "go /trees" },
  { to: "/agents", name: words.agents, icon: Bot, keys: "go /agents" },
  { to: "/usage", name: words.usage, icon: ChartColumn, keys: "go /usage" },
  { to: "/memory", name: words.memory, icon: Brain, keys: "go /memory" },
  { to: "/system", name: words.system, icon: Stethoscope, keys: "go /system" },
];

const ORDER = ["/", "/inbox", "/sessions", "/runs"];
const LAST = ["/system", "/settings"];

export const isLast = ({ to }: Place): boolean => LAST.includes(to);

/** Pure: the first places, which a phone shows, and the others. */
export function arranged(places: readonly Place[]): { first: Place[]; rest: Place[] } {
  const first = ORDER.flatMap((to) => places.filter((place) => place.to === to));
  const others = places.filter((place) => !first.includes(place));
  const last = LAST.flatMap((to) => others.filter((place) => place.to === to));
  return { first, rest: [...others.filter((one) => !isLast(one)), ...last] };
}
