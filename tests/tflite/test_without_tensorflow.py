import subprocess
import sys


def test_reading_and_running_need_no_tensorflow(converted, tmp_path):
    """inspect and Runner work where TensorFlow and Keras cannot be imported."""
    path = tmp_path / "net.tflite"
    path.write_bytes(converted("int8").content)
    program = (
        "import sys\n"
        "for name in ('tensorflow', 'keras', 'tf_keras'):\n"
        "    sys.modules[name] = None\n"
        "import numpy as np\n"
        "from tfcompress import tflite\n"
        f"print(tflite.inspect({str(path)!r}).macs)\n"
        f"runner = tflite.Runner({str(path)!r}, trusted=False)\n"
        "print(runner(np.zeros((3, 12, 12, 3), np.float32)).shape)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "(3, 5)"
