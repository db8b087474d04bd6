// Holds the precompiled header that every module reuses (cmake/weft.cmake).
