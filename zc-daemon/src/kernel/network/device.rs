//! What there is to ask of a network device.

use std::{
    net::{IpAddr, UdpSocket},
    os::fd::AsRawFd as _,
};

use anyhow::{Context as _, Result};

/// `SIOCETHTOOL` (include/uapi/linux/sockios.h).
const REQUEST: libc::Ioctl = 0x8946;
/// `ETHTOOL_GSG` and `ETHTOOL_SSG` (include/uapi/linux/ethtool.h).
const GET: u32 = 0x18;
const SET: u32 = 0x19;

/// Whether a device takes packets in pieces.
pub(super) fn scatter_gather(control: &UdpSocket, device: &str) -> Result<bool> {
    Ok(ethtool(control, device, [GET, 0])? != 0)
}

/// Has it take them, or not.
pub(super) fn set_scatter_gather(control: &UdpSocket, device: &str, on: bool) -> Result<()> {
    ethtool(control, device, [SET, u32::from(on)]).map(drop)
}

/// Command and value (`struct ethtool_value`); the value that comes back.
fn ethtool(control: &UdpSocket, device: &str, mut setting: [u32; 2]) -> Result<u32> {
    let mut name = [0; libc::IFNAMSIZ];
    for (into, byte) in name.iter_mut().zip(device.bytes().take(libc::IFNAMSIZ - 1)) {
        *into = libc::c_char::from_ne_bytes([byte]);
    }
    let data = libc::__c_anonymous_ifr_ifru { ifru_data: (&raw mut setting).cast() };
    let mut request = libc::ifreq { ifr_name: name, ifr_ifru: data };
    // SAFETY: the request and the setting it points to are of the sizes that the command
    // wants, and outlive the call.
    let done = unsafe { libc::ioctl(control.as_raw_fd(), REQUEST, &raw mut request) };
    if done < 0 {
        return Err(std::io::Error::last_os_error())
            .with_context(|| format!("{device} does not tell of its scatter-gather, or keeps it"));
    }
    Ok(setting[1])
}

/// The device that has an address of this machine.
pub(super) fn of(address: IpAddr) -> Result<String> {
    let mut first = std::ptr::null_mut();
    // SAFETY: the pointer is written to, which is all.
    let listed = unsafe { libc::getifaddrs(&raw mut first) };
    if listed != 0 {
        return Err(std::io::Error::last_os_error()).context("the kernel lists no devices");
    }
    let (mut next, mut found) = (first, None);
    while !next.is_null() && found.is_none() {
        // SAFETY: the list is whole until it is given back below.
        let entry = unsafe { &*next };
        // SAFETY: as above; the address is as long as its family has it.
        let has = unsafe { ip(entry.ifa_addr) } == Some(address);
        if has {
            // SAFETY: as above; a name ends in a zero byte.
            let name = unsafe { std::ffi::CStr::from_ptr(entry.ifa_name) };
            found = Some(name.to_string_lossy().into_owned());
        }
        next = entry.ifa_next;
    }
    // SAFETY: the list is the kernel's own, given back once, and nothing of it is kept.
    unsafe { libc::freeifaddrs(first) };
    found.with_context(|| format!("no device of this machine has the address {address}"))
}

/// # Safety
///
/// `address` is null, or readable for as long as its family has it.
unsafe fn ip(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as the caller promises.
    let family = libc::c_int::from(unsafe { address.as_ref() }?.sa_family);
    match family {
        libc::AF_INET => {
            // SAFETY: so long is an address of this family; it may lie at any place.
            let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
            Some(IpAddr::from(address.sin_addr.s_addr.to_ne_bytes()))
        }
        libc::AF_INET6 => {
            // SAFETY: as above.
            let address = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
            Some(IpAddr::from(address.sin6_addr.s6_addr))
        }
        _ => None,
    }
}
