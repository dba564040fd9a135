//! The far side: an echo, a sink and a source on loopback.

use std::io::Result;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UdpSocket};

/// Starts an echo.
pub fn echo() -> Result<SocketAddr> {
    serve(|mut stream| async move {
        let mut buffer = [0; 4096];
        loop {
            let length = stream.read(&mut buffer).await?;
            if length == 0 {
                return stream.shutdown().await;
            }
            stream.write_all(buffer.get(..length).unwrap_or_default()).await?;
        }
    })
}

/// Starts a target that reads a length of 8 bytes for each direction, then takes and gives that
/// many bytes at once.
pub fn bulk() -> Result<SocketAddr> {
    serve(|mut stream| async move {
        let (up, down) = (stream.read_u64().await?, stream.read_u64().await?);
        let (reader, mut writer) = stream.split();
        let take = async { drain(reader, up).await };
        let give = async {
            fill(&mut writer, down).await?;
            writer.shutdown().await
        };
        tokio::try_join!(take, give).map(|_| ())
    })
}

/// Reads so many bytes and forgets them.
pub async fn drain(mut reader: impl AsyncReadExt + Unpin, mut left: u64) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    while left > 0 {
        let length = reader.read(&mut buffer).await?;
        if length == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        left = left.saturating_sub(length as u64);
    }
    Ok(())
}

/// Writes so many bytes.
pub async fn fill(writer: &mut (impl AsyncWriteExt + Unpin), mut left: u64) -> Result<()> {
    let buffer = vec![0x5a; 256 << 10];
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        writer.write_all(buffer.get(..length).unwrap_or_default()).await?;
        left -= length as u64;
    }
    Ok(())
}

/// Starts an echo of datagrams.
pub async fn udp_echo() -> Result<SocketAddr> {
    let socket = UdpSocket::bind("127.0.0.1:0").await?;
    let address = socket.local_addr()?;
    tokio::spawn(async move {
        let mut buffer = vec![0; 65_536];
        loop {
            // An error is that of an earlier datagram: the next may fare better.
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
            let _lost = socket.send_to(buffer.get(..length).unwrap_or_default(), from).await;
        }
    });
    Ok(address)
}

fn serve<F, J>(job: F) -> Result<SocketAddr>
where
    F: Fn(TcpStream) -> J + Send + 'static,
    J: Future<Output = Result<()>> + Send + 'static,
{
    let listener = listen()?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            // Out of descriptors: those under way will give some back.
            let Ok((stream, _)) = listener.accept().await else {
                tokio::task::yield_now().await;
                continue;
            };
            let _best_effort = stream.set_nodelay(true);
            tokio::spawn(job(stream));
        }
    });
    Ok(address)
}

fn listen() -> Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(crate::server::free_address()?)?;
    socket.listen(4096)
}
