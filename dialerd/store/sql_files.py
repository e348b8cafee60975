"""Where the SQL files are: in the installed package, or beside it in the repository."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path


def sql_folder() -> Traversable:
    """The folder of `migrations` and `queries`. A wheel carries it inside the package, an editable install does not."""
    packaged = resources.files("dialerd") / "sql"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "sql"


def sql_files(folder: Traversable) -> list[Traversable]:
    return sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
