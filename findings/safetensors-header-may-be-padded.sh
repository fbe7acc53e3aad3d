#!/bin/sh
# The Python package safetensors 0.8.0 pads the JSON header of a file with spaces to a multiple of 8
# bytes, also where it has no entry: a file without tensors begins with `{}` and six spaces after its
# length. Programs that take `{"` at byte 8 for the format's mark do not know such a file.
#
# Result: the gateway takes any JSON object there (src/asset/file_type/binary.rs).
#
# Seen with Python 3.11 or newer on 2026-11-29:
#   empty: b'\x08\x00\x00\x00\x00\x00\x00\x00{}      '
#   one tensor: header of 56 bytes, ends with a space
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check safetensors==0.8.0 numpy
cat > try.py <<'PY'
import numpy
from safetensors.numpy import save

print('empty:', save({}))
data = save({'a': numpy.zeros(1, numpy.float32)})
length = int.from_bytes(data[:8], 'little')
end = 'ends with a space' if data[8 + length - 1:8 + length] == b' ' else 'is not padded'
print(f'one tensor: header of {length} bytes, {end}')
PY
venv/bin/python try.py | tee seen
cat > expected <<'TEXT'
empty: b'\x08\x00\x00\x00\x00\x00\x00\x00{}      '
one tensor: header of 56 bytes, ends with a space
TEXT
diff expected seen
