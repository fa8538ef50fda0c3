/** Names of Trouble. */
import { Trouble } from "./trouble.tsx";
import type { Problem as Given } from "../api/api.ts";

export const Problem = Trouble;
export const ProblemText = ({ problem, again }: { problem: Given; again?: () => void }) =>
  <Trouble problem={problem} retry={again} />;
