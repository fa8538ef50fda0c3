export { Diff } from "./diff.tsx";
