// SPDX-License-Identifier: GPL-2.0
//
// Which main a spare belongs to. Pure; any context.
#pragma once

#include "dm_remap/pairing.h"
#include "format.h"

namespace dmr {

dmr_fingerprint fingerprint_of(const Header& header);
// In what they agree, enum dmr_match; 0: they are of different devices. What one side does not know
// is not different.
u32 match(const dmr_fingerprint& recorded, const dmr_fingerprint& seen);

}  // namespace dmr
