// Each file goes from a draft to a check; a draft that failed is not checked.
export const meta = { name: "stages", description: "Drafts and checks." };

export default async function main({ word, files }) {
  return await pipeline(
    files,
    (file) => agent(`${word} draft ${file}`),
    (draft, file, index) => (draft.ok ? agent(`${word} check ${index} ${draft.output}`) : draft),
    ({ ok, output, error }, file) => ({ file, ok, text: ok ? output : error }),
  );
}
