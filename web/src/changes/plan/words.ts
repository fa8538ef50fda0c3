/** Texts of a plan of files. */
export const words = {
  binary: "binary",
  mode: (before: string, after: string) => `${before} → ${after}`,
  changedBy: (names: string) => `changed by ${names === "" ? "somebody outside of drover" : names}`,
  maybeBy: (names: string) => `maybe changed by ${names}`,
};
