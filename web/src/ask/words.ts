/** The texts of questions. */
export const words = {
  asks: {
    leave: "asks whether it may", answer: "asks a question", confirm: "asks to go on",
    choice: "asks you to choose", form: "asks for a form",
  },
  unknown: "a run",
  asked: (ago: string) => `asked ${ago}`,
  longer: "… (open it to read all)",
  review: "Read it",
  allow: "Allow", deny: "Deny", open: "Open", answer: "Answer", send: "Send",
  allowOf: (what: string) => `Allow: ${what}`,
  denyOf: (what: string) => `Deny: ${what}`,
  option: (at: number, text: string) => `${at}: ${text}`,
  asText: "As text",
  reason: "Reason of a no, optional",
  holds: "A yes is for",
  scopes: {
    once: "this call", session: "such calls of this session from now on",
    project: (name: string) => `such calls of all sessions of project ${name} from now on`,
  },
  exactly: {
    session: "this call with exactly these arguments, in this session from now on",
    project: (name: string) =>
      `this call with exactly these arguments, in all sessions of project ${name} from now on`,
  },
  folderOf: {
    session: "this session", project: (name: string) => `all sessions of project ${name}`,
  },
  subject: "Only those that match, e.g.",
  yours: "Your answer",
  several: "Several may be chosen.",
  json: "as JSON",
  notJson: "This is no JSON.",
  fields: "The fields, as JSON",
  notObject: "A JSON object is wanted.",
  needed: "(needed)",
  oldRule: "An earlier rule no longer covers this. Allow it anew, and remove the rule:",
  undecided: "A review did not decide:",
  changed: "The question is not the one that was shown. Read it again.",
  tooSoon: "That was too soon: read it first, then press again.",
  states: {
    allowed: "allowed", denied: "denied", answered: "answered", cancelled: "withdrawn",
  } as Record<string, string>,
  answeredBy: (by: string) => `answered by ${by}`,
  withdrawn: "not asked any more: the run has ended, or asks something else",
  choose: "Choose an option",
};
