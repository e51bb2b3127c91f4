/* torch's `pytorch_model*.bin`: a zip (zip64 too, entries stored, not compressed) with a pickle of a state dict and one
 * file a storage. The only file that knows it.
 *
 * Nothing in the file is executed: the pickle reader is an allow-list of opcodes (protocol 2) and of the globals that a
 * state dict needs (collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter,
 * torch.*Storage, torch.storage.UntypedStorage / TypedStorage, torch dtypes); it builds data and calls nothing. Anything
 * else is FG_ERR_INPUT that names the opcode or global. Limits: pickle 64 MB, 1,000,000 memo entries, depth 100.
 * Big-endian files (`byteorder`) and the old tar / bare-pickle formats (torch < 1.6) are refused by name.
 */
#ifndef FG_STORE_TORCH_BIN_H
#define FG_STORE_TORCH_BIN_H

#include "store/tensors.h"

/* Adds the file's tensors (shared storages, offsets, strides, non-contiguous and zero-stride views included). */
fg_status fg_torch_bin_read_header(const char *path, fg_tensors *table, fg_error *err);

#endif
