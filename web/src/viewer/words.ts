const time = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "short",
  hourCycle: "h23" });

export const words = {
  drover: "drover",
  about: (version: string, ended_ms: number | null) =>
    `A run of drover ${version}, as one file${ended_ms === null ? "; it went on when it was written"
      : `; it ended ${time.format(ended_ms)}`}`,
  absent: "It is not in this file",
  noText: "The daemon that ran it may have it.",
  cut: "\n… the file has the beginning only.",
};
