"""leftovers.py: a folder of temporary files for one test run, and what tests left behind.

Tests remove what they make. What stays would lie in the way of the next run, and a name that begins
with a dot is worse: programs look for a project in all folders above theirs, and take one with
.git or .drover for it.
"""
import os
import shutil
import tempfile


def hidden(folder):
    return {os.path.join(folder, name) for name in os.listdir(folder) if name.startswith(".")}


class Leftovers:
    """From `with` to its end TMPDIR is a new folder; afterwards that is gone, with all in it."""

    def __enter__(self):
        self.outside = tempfile.gettempdir()
        self.before = hidden(self.outside)
        # A short name: paths of sockets have 107 bytes. Tests run programs as other users there.
        self.folder = tempfile.mkdtemp(prefix="dt-", dir=self.outside)
        os.chmod(self.folder, 0o1777)
        self.use(self.folder)
        return self

    def __exit__(self, *_error):
        self.use(self.outside)
        self.remove()

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    @staticmethod
    def use(folder):
        os.environ["TMPDIR"] = tempfile.tempdir = folder

    def found(self):
        """The paths of what is left: anything in the folder, and new hidden names beside it."""
        inside = {os.path.join(self.folder, name) for name in os.listdir(self.folder)}
        return sorted(inside | (hidden(self.outside) - self.before))
