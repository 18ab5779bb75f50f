// SPDX-License-Identifier: GPL-2.0
/* 6.10 replaced dm_get_dev_t(). */
#include <linux/device-mapper.h>

#ifdef DMR_PROBE
static int (*const dmr_probe)(const char *, dev_t *) __used = dm_devt_from_path;
#endif
