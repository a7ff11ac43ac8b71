/* SPDX-License-Identifier: Apache-2.0 */
#include <tvm/ffi/c_api.h>

/* The elements of an argument, NULL where it isn't a tensor of this type, this many elements and no
 * gaps in the memory of this machine, at an address that is a multiple of 4. */
static void *te_tensor(const TVMFFIAny *argument, uint8_t code, uint8_t bits, int64_t count)
{
    const DLTensor *tensor = NULL;
    if (argument->type_index == kTVMFFIDLTensorPtr) {
        tensor = (const DLTensor *)argument->v_ptr;
    } else if (argument->type_index == kTVMFFITensor) {
        tensor = (const DLTensor *)((const char *)argument->v_obj + sizeof(TVMFFIObject));
    }
    if (tensor == NULL || tensor->device.device_type != kDLCPU || tensor->dtype.code != code
        || tensor->dtype.bits != bits || tensor->dtype.lanes != 1) {
        return NULL;
    }
    int64_t elements = 1;
    for (int32_t i = tensor->ndim - 1; i >= 0; --i) {
        if (tensor->strides != NULL && tensor->shape[i] != 1 && tensor->strides[i] != elements) {
            return NULL;
        }
        elements *= tensor->shape[i];
    }
    char *data = (char *)tensor->data + tensor->byte_offset;
    return elements == count && (uintptr_t)data % 4 == 0 ? data : NULL;
}

/* Raises an error of TVM's; gives what a function of its gives then. */
static int te_failed(const char *what)
{
    TVMFFIErrorSetRaisedFromCStr("ValueError", what);
    return -1;
}
