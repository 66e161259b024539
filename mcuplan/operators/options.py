"""An operator's options by name and type, as a runtime's parser reads them.

Where the file has no options, or those of another operator, every option reads as 0 (:class:`Options`): TFLM clears
its structures before it parses (``flatbuffer_conversions.cc``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mcuplan.graph import Operator
from mcuplan.operators.table import operator_info

_NOTHING: Mapping[str, Any] = {}


def own_options(op: Operator) -> Mapping[str, Any]:
    """The fields of the operator's own table of options; empty where it has none or another's."""
    found = op.options
    return _NOTHING if found is None or found.table != operator_info(op.name).options else found.fields


class Options:
    """The options that mcuplan asks for, of whatever operator has them; each named as in the TFLite schema."""

    __slots__ = ("_fields",)

    def __init__(self, op: Operator) -> None:
        self._fields = own_options(op)

    def _whole(self, name: str) -> int:
        value: int = self._fields.get(name, 0)
        return value

    def _numbers(self, name: str) -> tuple[int, ...]:
        return self._fields.get(name) or ()

    # -- windows -------------------------------------------------------------------------------------------------

    @property
    def padding(self) -> int:
        """``SAME`` or ``VALID``."""
        return self._whole("padding")

    @property
    def strides(self) -> tuple[int, int]:
        """Rows, columns."""
        return self._whole("stride_h"), self._whole("stride_w")

    @property
    def dilations(self) -> tuple[int, int]:
        """Rows, columns; 1 for operators without such an option."""
        return self._fields.get("dilation_h_factor", 1), self._fields.get("dilation_w_factor", 1)

    @property
    def pool(self) -> tuple[int, int]:
        """Rows and columns of a pool's window."""
        return self._whole("filter_height"), self._whole("filter_width")

    @property
    def depth_multiplier(self) -> int:
        """Output channels of a depthwise convolution for each of its input."""
        return self._whole("depth_multiplier")

    @property
    def activation(self) -> int:
        """The fused activation function; 0 for none."""
        return self._whole("fused_activation_function")

    # -- axes and masks ------------------------------------------------------------------------------------------

    @property
    def axis(self) -> int:
        """The axis that is joined, split or looked up along."""
        return self._whole("axis")

    @property
    def batch_dims(self) -> int:
        """Leading axes that GATHER shares with its positions."""
        return self._whole("batch_dims")

    @property
    def keep_dims(self) -> bool:
        """Whether reduced axes stay, of size 1."""
        return bool(self._whole("keep_dims"))

    @property
    def keep_num_dims(self) -> bool:
        """Whether a dense layer keeps the rank of its input."""
        return bool(self._whole("keep_num_dims"))

    @property
    def weights_format(self) -> int:
        """How a dense layer's weights are laid out; 0 for plain rows."""
        return self._whole("weights_format")

    @property
    def begin_mask(self) -> int:
        """Axes that a strided slice takes from their begin."""
        return self._whole("begin_mask")

    @property
    def end_mask(self) -> int:
        """Axes that a strided slice takes to their end."""
        return self._whole("end_mask")

    @property
    def shrink_axis_mask(self) -> int:
        """Axes of which a strided slice takes one element and drops them."""
        return self._whole("shrink_axis_mask")

    @property
    def squeeze_dims(self) -> tuple[int, ...]:
        """Axes that SQUEEZE drops; all of size 1 where none is named."""
        return self._numbers("squeeze_dims")

    @property
    def transposed(self) -> tuple[bool, bool]:
        """Whether a matrix product takes its first and its second input transposed."""
        return bool(self._whole("adj_x")), bool(self._whole("adj_y"))

    @property
    def time_major(self) -> bool:
        """Whether time comes before the batch in a recurrent layer."""
        return bool(self._whole("time_major"))

    @property
    def ellipsis_mask(self) -> int:
        """Numbers of a strided slice that stand for any number of whole axes."""
        return self._whole("ellipsis_mask")

    @property
    def new_axis_mask(self) -> int:
        """Numbers of a strided slice that make an axis of size 1."""
        return self._whole("new_axis_mask")

    @property
    def offset(self) -> bool:
        """Whether the ends of a strided slice count from its begins."""
        return bool(self._whole("offset"))

    # -- counts and modes ----------------------------------------------------------------------------------------

    @property
    def values_count(self) -> int:
        """Inputs of PACK."""
        return self._whole("values_count")

    @property
    def num(self) -> int:
        """Outputs of UNPACK."""
        return self._whole("num")

    @property
    def block_size(self) -> int:
        """Rows and columns that become channels, or the other way round."""
        return self._whole("block_size")

    @property
    def rank(self) -> int:
        """Filters a unit of SVDF."""
        return self._whole("rank")

    @property
    def mode(self) -> int:
        """Of mirror padding: 0 without the border itself, 1 with it."""
        return self._whole("mode")

    @property
    def align_corners(self) -> bool:
        """Whether a resize takes corners to corners."""
        return bool(self._whole("align_corners"))

    @property
    def half_pixel_centers(self) -> bool:
        """Whether a resize takes centres of pixels to centres."""
        return bool(self._whole("half_pixel_centers"))

    @property
    def beta(self) -> float | None:
        """What SOFTMAX multiplies its input by; None where the file does not say."""
        return self._fields.get("beta")

    # -- resource variables --------------------------------------------------------------------------------------

    @property
    def resource(self) -> tuple[str | None, str | None]:
        """Container and shared name by which VAR_HANDLE names its variable; None for what the file leaves out."""
        return self._fields.get("container"), self._fields.get("shared_name")
