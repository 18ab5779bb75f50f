// SPDX-License-Identifier: GPL-2.0
/* 7.3 renamed the offset in a bio's current segment. */
#include <linux/bvec.h>

#ifdef DMR_PROBE
static const unsigned int dmr_probe __used = sizeof(((struct bvec_iter *)0)->bi_offset);
#endif
