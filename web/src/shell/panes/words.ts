/** Texts of panes that stand side by side. */
export const words = {
  pane: (number: number, title: string) =>
    (title === "" ? `Pane ${number}` : `Pane ${number}: ${title}`),
  panes: "Panes",
  left: "Move to the left",
  right: "Move to the right",
  beside: "Open beside",
  four: "There are as many panes as fit",
  close: "Close this pane",
  line: (number: number) => `Width of pane ${number}`,
  nextKey: "Next pane",
  waits: (count: number) => (count === 1 ? "1 question waits for you"
    : `${count} questions wait for you`),
};
