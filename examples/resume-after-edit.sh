#!/bin/sh
# resume-after-edit: change one prompt of a workflow that has run, and run it again.
#
# Shows     drover run FILE --resume RUN: agents whose prompt is as it was give their old result, at
#           once and for nothing; only the changed one, and those that build on it, are asked.
# Run       examples/resume-after-edit.sh
# Expect    the lines of the second run: "agent cached" for the outline, and "agent succeeded" for
#           the title, whose prompt was edited.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/essay.js" <<'JS'
export const meta = { name: "essay", description: "An outline and a title." };
const outline = await agent("Outline an essay about rain in three points.", { label: "outline" });
const title = await agent("Find a sober title.", { label: "title" });
return `${title}: ${outline}`;
JS
run=$(drover run "$dir/essay.js" --detach)
drover attach "$run" >/dev/null 2>&1 # Until it has ended.
sed -i 's/a sober title/a cheerful title/' "$dir/essay.js"
drover run "$dir/essay.js" --resume "$run"
