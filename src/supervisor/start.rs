//! Why no capture process can be started.

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// Why no capture process can be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The daemon may not capture.
    #[error(
        "capturing on {name} needs the capability CAP_NET_RAW; start knockd as root, or give it with \
         `setcap cap_net_raw+ep` on the program or AmbientCapabilities=CAP_NET_RAW in its systemd unit"
    )]
    Privilege {
        /// The interface.
        name: String,
    },
    /// An interface is of a kind that cannot be captured from.
    #[error("{0}")]
    Interface(String),
    /// The process could not be started, or has ended.
    #[error("the capture process {0}")]
    Process(String),
}

/// Whether this process may capture, asked before any interface is there.
pub(super) fn may_capture(names: &[String]) -> Result<(), StartError> {
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None);
    match (socket, names.first()) {
        (Err(Errno::PERM | Errno::ACCESS), Some(name)) => Err(StartError::Privilege { name: name.clone() }),
        _ => Ok(()),
    }
}
