/** Texts of shared fields. */
export const words = {
  kept: "As you left it. Cancel discards it.",
  choices: "Choices",
  none: "Nothing fits.",
  more: (count: number) => `${count} more: type to search.`,
  byDefault: "default",
  browse: "Browse",
  known: "↑ known folders",
  up: (path: string) => `↑ ${path}`,
  reading: "Reading the folder…",
  noFolders: "No folders in it.",
  cut: "More folders than are shown: type the beginning of a name.",
};
