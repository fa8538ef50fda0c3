// Its name is that of the file.
export default async function () {
  return (await agent("Who am I?", { label: meta.name })) !== null && meta.name;
}
