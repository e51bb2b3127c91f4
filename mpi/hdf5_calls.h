/* HDF5, loaded when a dump is made: its library brings some thirty others, whose loading takes a fifth of the
 * time of a small conversion. Included by dump.c alone, behind hdf5.h.
 *
 * Invariant: fg_hdf5_load has succeeded before another name of HDF5 is used. Without FG_HDF5_LIBRARY, the
 * name of a shared library, HDF5 is linked as usual.
 */
#ifndef FG_MPI_HDF5_CALLS_H
#define FG_MPI_HDF5_CALLS_H

#include <stdbool.h>

#ifdef FG_HDF5_LIBRARY

#include <dlfcn.h>
#include <string.h>

/* Lists, which clang-format takes for expressions. */
/* clang-format off */
#define FG_HDF5_CALLS(X)                                                                                    \
    X(H5Aclose) X(H5Acreate2) X(H5Awrite) X(H5Dclose) X(H5Dcreate2) X(H5Dget_offset) X(H5Dget_space)        \
    X(H5Dget_storage_size) X(H5Dopen2) X(H5Dwrite) X(H5Eset_auto2) X(H5Fclose) X(H5Fcreate) X(H5Fopen)      \
    X(H5Gclose) X(H5Gcreate2) X(H5Pclose) X(H5Pcreate) X(H5Pset_alloc_time)                                 \
    X(H5Pset_create_intermediate_group) X(H5Pset_fapl_mpio) X(H5Pset_fill_time) X(H5Pset_libver_bounds)     \
    X(H5Sclose) X(H5Screate) X(H5Screate_simple) X(H5Sselect_hyperslab) X(H5Tclose) X(H5Tcopy)              \
    X(H5Tset_cset) X(H5Tset_size) X(H5check_version) X(H5dont_atexit) X(H5get_libversion) X(H5open)

/* What hdf5.h has macros for: H5T_NATIVE_FLOAT is H5T_NATIVE_FLOAT_g, after a call of H5open. */
#define FG_HDF5_IDS(X)                                                                                      \
    X(H5T_C_S1_g) X(H5T_NATIVE_DOUBLE_g) X(H5T_NATIVE_FLOAT_g) X(H5T_NATIVE_UINT32_g)                       \
    X(H5P_CLS_DATASET_CREATE_ID_g) X(H5P_CLS_FILE_ACCESS_ID_g) X(H5P_CLS_LINK_CREATE_ID_g)
/* clang-format on */

#define FG_HDF5_FIELD(name) __typeof__(name) *name;
static struct { FG_HDF5_CALLS(FG_HDF5_FIELD) FG_HDF5_IDS(FG_HDF5_FIELD) } fg_hdf5;

/* Every rank, before the first call. `what` becomes why it failed. */
static bool fg_hdf5_load(const char **what) {
    void *library = dlopen(FG_HDF5_LIBRARY, RTLD_NOW | RTLD_LOCAL), *found;
#define FG_HDF5_FIND(name)                                                                                   \
    found = library ? dlsym(library, #name) : NULL;                                                          \
    if (!found) {                                                                                            \
        *what = dlerror();                                                                                   \
        return false;                                                                                        \
    }                                                                                                        \
    memcpy(&fg_hdf5.name, &found, sizeof found); /* a function's address, as POSIX has it */
    FG_HDF5_CALLS(FG_HDF5_FIND)
    FG_HDF5_IDS(FG_HDF5_FIND)
    return true;
}

#define H5Aclose (*fg_hdf5.H5Aclose)
#define H5Acreate2 (*fg_hdf5.H5Acreate2)
#define H5Awrite (*fg_hdf5.H5Awrite)
#define H5Dclose (*fg_hdf5.H5Dclose)
#define H5Dcreate2 (*fg_hdf5.H5Dcreate2)
#define H5Dget_offset (*fg_hdf5.H5Dget_offset)
#define H5Dget_space (*fg_hdf5.H5Dget_space)
#define H5Dget_storage_size (*fg_hdf5.H5Dget_storage_size)
#define H5Dopen2 (*fg_hdf5.H5Dopen2)
#define H5Dwrite (*fg_hdf5.H5Dwrite)
#define H5Eset_auto2 (*fg_hdf5.H5Eset_auto2)
#define H5Fclose (*fg_hdf5.H5Fclose)
#define H5Fcreate (*fg_hdf5.H5Fcreate)
#define H5Fopen (*fg_hdf5.H5Fopen)
#define H5Gclose (*fg_hdf5.H5Gclose)
#define H5Gcreate2 (*fg_hdf5.H5Gcreate2)
#define H5Pclose (*fg_hdf5.H5Pclose)
#define H5Pcreate (*fg_hdf5.H5Pcreate)
#define H5Pset_alloc_time (*fg_hdf5.H5Pset_alloc_time)
#define H5Pset_create_intermediate_group (*fg_hdf5.H5Pset_create_intermediate_group)
#define H5Pset_fapl_mpio (*fg_hdf5.H5Pset_fapl_mpio)
#define H5Pset_fill_time (*fg_hdf5.H5Pset_fill_time)
#define H5Pset_libver_bounds (*fg_hdf5.H5Pset_libver_bounds)
#define H5Sclose (*fg_hdf5.H5Sclose)
#define H5Screate (*fg_hdf5.H5Screate)
#define H5Screate_simple (*fg_hdf5.H5Screate_simple)
#define H5Sselect_hyperslab (*fg_hdf5.H5Sselect_hyperslab)
#define H5Tclose (*fg_hdf5.H5Tclose)
#define H5Tcopy (*fg_hdf5.H5Tcopy)
#define H5Tset_cset (*fg_hdf5.H5Tset_cset)
#define H5Tset_size (*fg_hdf5.H5Tset_size)
#define H5check_version (*fg_hdf5.H5check_version)
#define H5dont_atexit (*fg_hdf5.H5dont_atexit)
#define H5get_libversion (*fg_hdf5.H5get_libversion)
#define H5open (*fg_hdf5.H5open)
#define H5T_C_S1_g (*fg_hdf5.H5T_C_S1_g)
#define H5T_NATIVE_DOUBLE_g (*fg_hdf5.H5T_NATIVE_DOUBLE_g)
#define H5T_NATIVE_FLOAT_g (*fg_hdf5.H5T_NATIVE_FLOAT_g)
#define H5T_NATIVE_UINT32_g (*fg_hdf5.H5T_NATIVE_UINT32_g)
#define H5P_CLS_DATASET_CREATE_ID_g (*fg_hdf5.H5P_CLS_DATASET_CREATE_ID_g)
#define H5P_CLS_FILE_ACCESS_ID_g (*fg_hdf5.H5P_CLS_FILE_ACCESS_ID_g)
#define H5P_CLS_LINK_CREATE_ID_g (*fg_hdf5.H5P_CLS_LINK_CREATE_ID_g)

#else

static bool fg_hdf5_load(const char **what) {
    (void)what;
    return true;
}

#endif

#endif
