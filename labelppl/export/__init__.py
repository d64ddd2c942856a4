"""A student as one ONNX file, its model card, and a page that runs it in a browser."""

from .onnx_student import OnnxStudent, load_onnx

__all__ = ["OnnxStudent", "load_onnx"]
