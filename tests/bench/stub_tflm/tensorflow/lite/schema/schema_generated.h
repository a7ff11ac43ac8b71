/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STUB_SCHEMA_GENERATED_H
#define STUB_SCHEMA_GENERATED_H

#include "flatbuffers/flatbuffers.h"

namespace tflite {

struct Model;
inline const Model *GetModel(const void *bytes) { return static_cast<const Model *>(bytes); }

}  // namespace tflite

#endif
