/* torch's `pytorch_model*.bin`: a zip (zip64 too, entries stored, not compressed) with a pickle of a state
 * dict and one file a storage. The only file that knows it, with the two machines below it: store/zip.h and
 * store/pickle.h.
 *
 * Nothing in the file is executed: the pickle reader is an allow-list of opcodes (protocol 2) and of the
 * globals that a state dict needs (collections.OrderedDict, torch._utils._rebuild_tensor_v2 and _v3,
 * torch._utils._rebuild_parameter and _rebuild_parameter_with_state, torch._tensor._rebuild_from_type_v2 of
 * torch.Tensor, Parameter and Buffer, torch.*Storage, torch.storage.UntypedStorage, torch dtypes); it builds
 * data and calls nothing. Anything else is FG_ERR_INPUT that names the opcode or global. Limits: pickle 64 MB
 * and those of store/pickle.h. Big-endian files (`byteorder`) and the old tar / bare-pickle formats (torch
 * < 1.6) are refused by name.
 *
 * Expected is a flat dict from names to dense tensors. Attributes (of the dict, of parameters) and
 * requires_grad are ignored; the device that a tensor was on does not matter. Checksums of the zip entries
 * are not looked at.
 */
#ifndef FG_STORE_TORCH_BIN_H
#define FG_STORE_TORCH_BIN_H

#include "store/tensors.h"

/* Adds the file's tensors (shared storages, offsets, strides, non-contiguous and zero-stride views included),
 * in the order of the dict. Names that share a storage become tensors that share bytes of the file. After a
 * failure the table may hold some of them. */
fg_status fg_torch_bin_read_header(const char *path, fg_tensors *table, fg_error *err);

#endif
