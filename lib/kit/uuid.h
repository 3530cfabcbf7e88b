/* SPDX-License-Identifier: Apache-2.0 */
/* UUIDs of version 7 (RFC 9562 section 5.7), which sort by the time at which they were made. */
#pragma once

#define UUID_LEN 37 /* with the NUL */

void uuid_make(char out[UUID_LEN]);
