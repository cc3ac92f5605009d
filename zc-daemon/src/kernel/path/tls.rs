//! The path by a socket that the kernel encrypts itself (`tls(7)`). Encryption is a pass of
//! the CPU over the bytes, but no copy of them.

use anyhow::{Context as _, Result};

use super::{
    child::{Prepared, Setting},
    sends,
};
use crate::kernel::calls::set_option;

/// Keys of TLS 1.2 by AES-GCM, which are no secret: what is sent is thrown away.
const KEYS: libc::tls12_crypto_info_aes_gcm_128 = libc::tls12_crypto_info_aes_gcm_128 {
    info: libc::tls_crypto_info {
        version: libc::TLS_1_2_VERSION,
        cipher_type: libc::TLS_CIPHER_AES_GCM_128,
    },
    iv: [1; 8],
    key: [2; 16],
    salt: [3; 4],
    rec_seq: [0; 8],
};

pub(super) fn sendfile(setting: &Setting) -> Result<Prepared> {
    let socket = setting.connect()?;
    let name: [u8; 4] = *b"tls\0";
    set_option(&socket, libc::IPPROTO_TCP, libc::TCP_ULP, &name)
        .context("the kernel has no TLS of its own (modprobe tls)")?;
    set_option(&socket, libc::SOL_TLS, libc::TLS_TX, &KEYS)
        .context("the kernel's TLS does not encrypt by AES-GCM")?;
    sends::sendfile_to(socket)
}
